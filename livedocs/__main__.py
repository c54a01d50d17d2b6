"""The commands of livedocs; `make` calls them.

python -m livedocs check                   pages, snippets and records fit together (runs nothing)
python -m livedocs record [--only NAME]    run snippets and write what they gave
python -m livedocs full-size [--only NAME] [--hub]
run the full-size profile and compare it with the records
python -m livedocs talk                    write the slides of the talk from their source and the records
python -m livedocs previews                draw the pictures that are shown where a page is shared
python -m livedocs bundle                  pack checkpoints and sample inputs into bundle.zip
python -m livedocs machines [--site-dir site]
write Markdown copies, llms.txt and the feed into a built site; MkDocs does it by itself
python -m livedocs publish VERSION         put the built site on the branch gh-pages
python -m livedocs links [--write FILE] [--follow]
list the links that lead to other hosts, and follow them
python -m livedocs bench                   measure verification and build, and write the table
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from livedocs.capture import freeze_environment
from livedocs.errors import DocsError


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 0, or 1 after one clear message."""
    parser = argparse.ArgumentParser(prog="python -m livedocs", description=__doc__.splitlines()[0] if __doc__ else "")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="hold pages, snippets and records against each other")
    for name, text in (("record", "run snippets and write what they gave"), ("full-size", "run the full-size profile")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--only", metavar="NAME", help="one snippet, such as vit")
        if name == "full-size":
            command.add_argument("--hub", action="store_true", help="load the hub's weights (needs a network)")
    commands.add_parser("talk", help="write the slides of the talk")
    commands.add_parser("previews", help="draw the pictures that are shown where a page is shared")
    commands.add_parser("bundle", help="pack checkpoints and sample inputs")
    command = commands.add_parser("machines", help="write what programs read into a built site")
    command.add_argument("--site-dir", default="site", help="the built site")
    command = commands.add_parser("publish", help="put the built site on the branch gh-pages")
    command.add_argument("version", help='such as 1.0, or "dev"')
    command.add_argument("--alias", help="a second name, such as latest")
    command = commands.add_parser("links", help="list the links that lead to other hosts")
    command.add_argument("--write", metavar="FILE", help="where to; by default they are printed")
    command.add_argument("--follow", action="store_true", help="ask the hosts (needs a network)")
    command = commands.add_parser("bench", help="measure verification and build")
    command.add_argument(
        "--runs", type=int, default=1, help="how often; the table shows medians (a run takes 20 minutes)"
    )
    options = parser.parse_args(arguments)
    if options.command == "full-size" and options.hub:
        os.environ["HF_HUB_OFFLINE"] = "0"
    freeze_environment()
    root = Path.cwd()
    try:
        _run(options, root)
    except DocsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was recorded before is still whole", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace, root: Path) -> None:
    only = getattr(options, "only", None) or None
    if options.command == "check":
        from livedocs.checking import check

        print(check(root))
    elif options.command == "links":
        from livedocs import links

        if options.write:
            (root / options.write).write_text(links.listing(root), "utf-8")
        else:
            print(links.listing(root), end="")
        if options.follow:
            print(links.follow(root))
    elif options.command == "record":
        from livedocs.recording import record

        record(root, only)
    elif options.command == "full-size":
        from livedocs.recording import verify_full_size

        print("\n".join(verify_full_size(root, only, from_hub=options.hub)) or "no snippet has a full-size profile")
    elif options.command == "talk":
        from livedocs.talk import TARGET, write

        print(f"{TARGET}: {write(root)} slides")
    elif options.command == "previews":
        from livedocs.previews import draw

        print(draw(root))
    elif options.command == "bundle":
        from livedocs.bundle import bundle

        file = bundle(root)
        print(f"{file.relative_to(root)}: {file.stat().st_size / 1e6:.1f} MB")
    elif options.command == "machines":
        from livedocs import machines

        print(machines.write(root, root / options.site_dir))
    elif options.command == "publish":
        from livedocs.publish import publish

        print(publish(root / "site", options.version, options.alias))
    else:
        from livedocs.bench import bench

        bench(root, options.runs)


if __name__ == "__main__":
    raise SystemExit(main())
