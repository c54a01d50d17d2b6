"""`python -m sample_data` renders the pictures under docs/assets/scenes again."""

from sample_data import scenes

if __name__ == "__main__":
    for path in [*scenes.write_examples(), *scenes.write_held_out()]:
        print(path)
