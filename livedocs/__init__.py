"""livedocs: pages whose code runs, whose outputs are recorded and whose statements are proved.

How the parts depend on each other, from the bottom up:

- `errors`, `snippets`, `pages`: read scripts and pages, nothing else. Every mistake names its file and line.
- `project`: all scripts and all pages of one site, checked against each other.
- `capture`, `mpl_backend`, `runner`: run the cells of a script and catch what they print, show and play.
- `records`, `compare`: keep what a run produced, and say in words how another run differs.
- `published`: published architectures with random weights, so that full-size code runs offline.
- `notebooks`, `html`, `markdown`: a script as a notebook; cells, claims and diagrams in a page (a Python-Markdown
  extension).
- `palette`, `diagram`: colours, and architecture diagrams whose numbers are measured.
- `talk`: slides made from the records of the pages.
- `cache`, `pytest_plugin`: the pages' cells as tests, through pytest-markdown-docs, and what need not run again.
- `recording`, `checking`, `bench`, `__main__`: the commands `record`, `full-size`, `check`, `talk` and `bench`.
"""
