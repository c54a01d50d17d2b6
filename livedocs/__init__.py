"""livedocs: pages whose code runs, whose outputs are recorded and whose statements are proved.

How the parts depend on each other, from the bottom up:

- `errors`, `snippets`, `pages`: read scripts and pages, nothing else. Every mistake names its file and line.
- `project`: all scripts and all pages of one site, checked against each other.
- `capture`, `runner`: run the cells of a script and catch what they print, show and play.
- `records`, `compare`: keep what a run produced, and say in words how another run differs.
- `published`: published architectures with random weights, so that full-size code runs offline.
- `html`, `markdown`: put cells, claims and diagrams into a page (a Python-Markdown extension).
- `palette`, `diagram`: colours and measured architecture diagrams.
- `pytest_plugin`: the pages' cells as tests, through pytest-markdown-docs.
- `__main__`: the commands `record`, `check`, `verify` and `bench`.
"""
