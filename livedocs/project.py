"""One site: all its snippets and all its pages, checked against each other."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path

from livedocs import cards, glossary, references
from livedocs.errors import DocsError, DocsErrors
from livedocs.glossary import Glossary
from livedocs.pages import Embed, Page
from livedocs.references import Reference
from livedocs.snippets import Cell, Claim, Snippet


class Project:
    """The snippets in `snippets/` and the pages in `docs/` below a folder.

    Args:
        root: The folder that holds both.

    Raises:
        DocsError: A snippet or a page is malformed in itself; `check` finds what does not fit together.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.docs = root / "docs"
        self.outputs = self.docs / "outputs"

    @cached_property
    def snippets(self) -> dict[str, Snippet]:
        """Snippets by name."""
        return {path.stem: Snippet(path, root=self.root) for path in sorted((self.root / "snippets").glob("*.py"))}

    @cached_property
    def pages(self) -> dict[Path, Page]:
        """Pages by path. Recorded outputs are not pages."""
        return {
            path: Page(path, root=self.root)
            for path in sorted(self.docs.rglob("*.md"))
            if not path.is_relative_to(self.outputs)
        }

    @cached_property
    def claims(self) -> dict[str, tuple[Snippet, Claim]]:
        """The assertions that prove claims, by id, of all snippets.

        Raises:
            DocsError: Two snippets prove one id.
        """
        found: dict[str, tuple[Snippet, Claim]] = {}
        for snippet in self.snippets.values():
            for claim in snippet.claims:
                if claim.id in found:
                    other, first = found[claim.id]
                    raise DocsError(
                        f"claim '{claim.id}' is proved twice, first in {other.file}:{first.line}; give one another id",
                        file=snippet.file,
                        line=claim.line,
                    )
                found[claim.id] = snippet, claim
        return found

    @cached_property
    def homes(self) -> dict[tuple[str, str], Page]:
        """The page on which each (snippet, cell) stands."""
        return {(embed.snippet, embed.cell): page for page in self.pages.values() for embed in page.cells}

    @cached_property
    def glossary(self) -> Glossary | None:
        """The entries of the glossary, where the site has one.

        Raises:
            DocsErrors: It is malformed.
        """
        page = self.pages.get(self.docs / glossary.FILE)
        return None if page is None else Glossary(page)

    @cached_property
    def references(self) -> list[Reference]:
        """What the footnotes of all pages cite.

        Raises:
            DocsErrors: A footnote is malformed, or two pages cite one work in different words.
        """
        return references.gather(self.pages.values())

    @cached_property
    def references_page(self) -> Page | None:
        """The page that lists what is cited, where there is one."""
        listing = (page for page in self.pages.values() for embed in page.embeds if embed.command == "references")
        return next(listing, None)

    @cached_property
    def library_page(self) -> Page | None:
        """The page with the catalogue of the library that the snippets use, where there is one."""
        listing = (
            page
            for page in self.pages.values()
            for embed in page.embeds
            if (embed.command, embed.target) == ("catalogue", "library")
        )
        return next(listing, None)

    def find_cell(self, page: Page, embed: Embed) -> tuple[Snippet, Cell]:
        """The snippet and the cell that a page embeds.

        Raises:
            DocsError: There is no such snippet, or no such cell in it.
        """
        snippet = self.find_snippet(page, embed)
        try:
            return snippet, snippet.cell(embed.cell)
        except KeyError:
            known = ", ".join(cell.name for cell in snippet.cells)
            raise DocsError(
                f"{snippet.file} has no cell '{embed.cell}'; its cells: {known}", file=page.file, line=embed.line
            ) from None

    def find_snippet(self, page: Page, embed: Embed) -> Snippet:
        """The snippet that an embed names.

        Raises:
            DocsError: There is none.
        """
        if embed.snippet not in self.snippets:
            known = ", ".join(self.snippets) or "none"
            raise DocsError(
                f"there is no snippets/{embed.snippet}.py; known snippets: {known}", file=page.file, line=embed.line
            )
        return self.snippets[embed.snippet]

    def page_of(self, path: Path) -> Page:
        """The page at a path, read afresh where it is not one of the site."""
        return self.pages.get(path) or self.pages.get(path.resolve()) or Page(path, root=self.root)

    def check(self) -> None:
        """Hold pages and snippets against each other.

        Raises:
            DocsErrors: All of these that were found: an embed of a missing snippet or cell, a cell embedded twice or
                never, cells out of order, a snippet that no page embeds, a page that embeds no cell, a claim link that
                nothing proves, and an assertion that no page links.
        """
        errors: list[DocsError] = []
        embedded: dict[tuple[str, str], tuple[Page, Embed]] = {}
        for page in self.pages.values():
            order: dict[str, int] = {}
            for embed in page.embeds:
                try:
                    if embed.command == "downloads":
                        self.find_snippet(page, embed)
                    if embed.command != "cell":
                        continue
                    snippet, cell = self.find_cell(page, embed)
                except DocsError as error:
                    errors.append(error)
                    continue
                key = (snippet.name, cell.name)
                if key in embedded:
                    other, first = embedded[key]
                    errors.append(
                        DocsError(
                            f"cell '{embed.target}' is embedded twice, first in {other.file}:{first.line}; remove one",
                            file=page.file,
                            line=embed.line,
                        )
                    )
                embedded.setdefault(key, (page, embed))
                if cell.line < order.get(snippet.name, 0):
                    errors.append(
                        DocsError(
                            f"cell '{embed.target}' stands above this place in {snippet.file}; a page shows cells in the "
                            "order in which they run",
                            file=page.file,
                            line=embed.line,
                        )
                    )
                order[snippet.name] = cell.line
            if not page.cells and not any(fence.python for fence in page.fences) and not page.runs_nothing:
                errors.append(
                    DocsError(
                        "this page embeds no cell; add `@cell snippet/cell`, or say `cells: none` in its front matter",
                        file=page.file,
                        line=1,
                    )
                )
        self._check_all_embedded(set(embedded), errors)
        for page in self.pages.values():
            for card in page.cards:
                if wrong := cards.mistake(card.words, card.target, self.root):
                    errors.append(DocsError(wrong, file=page.file, line=card.line))
        for part in ("glossary", "references"):
            try:
                getattr(self, part)
            except DocsErrors as error:
                errors += error.errors
        self._check_claims(errors)
        if errors:
            raise DocsErrors(errors)

    def _check_all_embedded(self, embedded: set[tuple[str, str]], errors: list[DocsError]) -> None:
        for snippet in self.snippets.values():
            missing = [cell for cell in snippet.cells if (snippet.name, cell.name) not in embedded]
            if len(missing) == len(snippet.cells):
                errors.append(
                    DocsError(
                        f"no page embeds this snippet; add `@cell {snippet.name}/{snippet.cells[0].name}` to one, or delete it",
                        file=snippet.file,
                        line=1,
                    )
                )
                continue
            for cell in missing:
                errors.append(
                    DocsError(
                        f"no page embeds cell '{cell.name}'; add `@cell {snippet.name}/{cell.name}`",
                        file=snippet.file,
                        line=cell.line,
                    )
                )

    def _check_claims(self, errors: list[DocsError]) -> None:
        try:
            claims = self.claims
        except DocsError as error:
            errors.append(error)
            return
        linked: set[str] = set()
        for page in self.pages.values():
            for link in page.claims:
                linked.add(link.id)
                if link.id not in claims:
                    errors.append(
                        DocsError(
                            f"nothing proves claim '{link.id}'; label an assertion `# claim: {link.id}` in a snippet",
                            file=page.file,
                            line=link.line,
                        )
                    )
        for name, (snippet, claim) in claims.items():
            if name not in linked:
                errors.append(
                    DocsError(
                        f"no page links claim '{name}'; write `[the statement](claim:{name})` on the page",
                        file=snippet.file,
                        line=claim.line,
                    )
                )


def _fingerprint(root: Path) -> tuple[tuple[str, int], ...]:
    files = [*root.glob("snippets/*.py"), *root.glob("docs/**/*.md")]
    return tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=2)
def _load(root: Path, fingerprint: tuple[tuple[str, int], ...]) -> Project:
    del fingerprint  # only the cache's key: a changed file makes a new project
    return Project(root)


def load_project(root: Path) -> Project:
    """The project at a folder; read again only when a page or a snippet has changed."""
    return _load(root, _fingerprint(root))
