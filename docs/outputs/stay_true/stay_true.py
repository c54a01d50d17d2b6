# %% [markdown]
# # How these docs stay true, shown on the tool itself
#
# It uses the tool, so it runs in a checkout: `.venv/bin/python snippets/stay_true.py`.

# %% draw
import matplotlib.pyplot as plt
import numpy as np

generator = np.random.default_rng(seed=0)
throws = generator.integers(1, 7, size=(10_000, 2)).sum(axis=1)  # two dice
print(f"mean of {len(throws):,} throws: {throws.mean():.2f}")

plt.figure(figsize=(6, 2.4))
plt.hist(throws, bins=np.arange(1.5, 13), rwidth=0.8)
plt.xticks(range(2, 13))
plt.xlabel("sum of two dice")
plt.show()

assert abs(throws.mean() - 7) < 0.1  # claim: true-dice

# %% difference
from livedocs.compare import text_difference

recorded = "accuracy 0.947 on 200 pictures"
print(text_difference(recorded, "accuracy 0.948 on 200 pictures"))
print(text_difference(recorded, "accuracy 0.812 on 200 pictures"))
print(text_difference(recorded, "accuracy 0.947 on 199 pictures"))

assert text_difference(recorded, "accuracy 0.948 on 200 pictures") is None  # claim: true-tolerance
assert text_difference(recorded, "accuracy 0.947 on 199 pictures") is not None  # claim: true-integers

# %% figures
from livedocs.capture import describe_array
from livedocs.compare import content_difference

line = np.sin(np.linspace(0, 6, 200))
recorded_line, same, other = (describe_array(x) for x in (line, line + 1e-4, line**3))
print("moved by a ten-thousandth:", content_difference(recorded_line, same, "line"))
print("another curve:            ", content_difference(recorded_line, other, "line"))

assert content_difference(recorded_line, same) is None  # claim: true-figures
assert content_difference(recorded_line, other) is not None  # claim: true-figures-differ

# %% cannot-fail
from pathlib import Path

from livedocs.errors import DocsError
from livedocs.snippets import Snippet

attempts = {
    "constants": "size = 224\nassert size // 16 == 14  # claim: patches",
    "itself": "import math\nassert math.pi == math.pi  # claim: pi",
    "no label": "import math\nassert math.pi > 3",
}
refused = {}
for name, code in attempts.items():
    try:
        Snippet(Path("snippets/draft.py"), f"# %% {name.replace(' ', '-')}\n{code}\n")
    except DocsError as error:
        refused[name] = str(error)
        print(f"{name}:\n  {error}\n")

assert refused.keys() == attempts.keys()  # claim: true-vacuous

# %% traceback
from livedocs.runner import CellError, Run

lines = [
    "# %% load",
    "import json",
    "def load(text):",
    "    return json.loads(text)['label']",
    "# %% use",
    """print(load('{"lable": "torus"}'))""",
]
draft = Snippet(Path("snippets/draft.py"), "\n".join(lines))
try:
    Run(draft, Path.cwd()).run_until("use")
except CellError as error:
    message = str(error)
    print(message)

assert message.startswith("snippets/draft.py:4: cell 'use' raised KeyError")  # claim: true-traceback
