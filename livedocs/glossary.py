"""The glossary: `docs/glossary.md`, and the words of other pages that it explains.

An entry is a third-level heading with an id. Its first paragraph is the definition that a reader sees on other pages too.
A paragraph that begins with `Also:` lists other forms of the term, parted by commas or semicolons:

```text
### Average precision {#average-precision}

One number for a detector: the mean height of the curve of precision over recall.

Also: AP, AP50

Built up from single predictions on the page about [DETR](object-detection-detr.md#works).
```

Pages that an entry links explain the term themselves, so there it is not marked. Elsewhere the first mention is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from xml.etree.ElementTree import Element

from livedocs.errors import DocsError, DocsErrors
from livedocs.pages import Page

FILE = "glossary.md"
"""The page of the glossary, in the folder of the pages."""

A_BLOCK = 2
"""How many terms are marked in one paragraph. The others wait for their next mention."""

_ENTRY = re.compile(r"^### (?P<name>.+?)\s*\{#(?P<id>[a-z0-9-]+)\}\s*$")
_LINK = re.compile(r"\[(?P<text>(?:[^\[\]]|\[[^\]]*\])+)\]\((?P<target>[^)\s]+)[^)]*\)")
_BLOCKS = {"p", "li", "dd", "td"}
_SKIPPED = {
    *("a", "abbr", "audio", "blockquote", "button", "code", "figcaption", "label", "pre", "script", "strong", "style"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "summary", "sup", "svg", "th"),
}
_SKIPPED_CLASSES = {"admonition", "footnote", "ld-cards", "ld-hero", "ld-lead", "ld-plain", "toc"}


@dataclass(frozen=True)
class Term:
    """One entry.

    Attributes:
        id: Its anchor on the glossary's page.
        name: What the heading says.
        forms: The words that mean it: the name, and those behind `Also:`.
        definition: The first paragraph, as plain text.
        pages: The pages that the entry links, as they are written there, such as `bert.md`.
        line: Where the entry begins.
    """

    id: str
    name: str
    forms: tuple[str, ...]
    definition: str
    pages: frozenset[str]
    line: int


class Glossary:
    """All entries of the page, in its order.

    Args:
        page: The glossary's page.

    Raises:
        DocsErrors: An entry without a definition, one that explains nothing further, or a form that two entries have.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.terms: dict[str, Term] = {}
        self._by_form: dict[str, Term] = {}
        errors: list[DocsError] = []
        for term in _entries(page):
            for form in term.forms:
                other = self._by_form.setdefault(_key(form), term)
                if other is not term:
                    errors.append(self._error(f"'{form}' stands for '{other.name}' already; remove one", term))
            if not term.definition:
                errors.append(
                    self._error(f"'{term.name}' has no definition; write a paragraph below the heading", term)
                )
            if not term.pages:
                errors.append(self._error(f"'{term.name}' leads nowhere; link the section that explains it", term))
            self.terms[term.id] = term
        if errors:
            raise DocsErrors(errors)

    def _error(self, message: str, term: Term) -> DocsError:
        return DocsError(message, file=self.page.file, line=term.line)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = sorted({form for term in self.terms.values() for form in term.forms}, key=len, reverse=True)
        return re.compile(rf"(?<![\w\-/])(?:{'|'.join(map(_form_pattern, forms))})(?![\w\-/])")

    def term(self, words: str) -> Term:
        """The term that some words mean."""
        key = _key(words)
        for one in (key, key.removesuffix("s"), key.removesuffix("es"), re.sub(r"ies$", "y", key)):
            if one in self._by_form:
                return self._by_form[one]
        raise KeyError(words)

    def find(self, text: str) -> Iterator[tuple[int, int, Term]]:
        """Where a text mentions terms: start, end and the term."""
        if self.terms:
            for match in self._pattern.finditer(text):
                yield match.start(), match.end(), self.term(match[0])

    def mark(self, root: Element, page: Page, address: str) -> list[Element]:
        """Turn the first mention of each term into a link to its entry.

        Nothing is marked in headings, links, code, footnotes, admonitions and bold words, nor a term that the page explains.

        Args:
            root: The page's tree.
            page: The page; it is not the glossary.
            address: The glossary's file, relative to the page.

        Returns:
            The new links.
        """
        own = page.path.relative_to(self.page.path.parent).as_posix()
        done = {term.id for term in self.terms.values() if own in term.pages}
        made: list[Element] = []
        for block in _blocks(root):
            left = A_BLOCK
            for holder, index, text in _texts(block):
                left = self._mark_text(holder, index, text, (done, address, left, made))
                if not left:
                    break
        return made

    def _mark_text(
        self, holder: Element, index: int, text: str, state: tuple[set[str], str, int, list[Element]]
    ) -> int:
        """Mark terms in the text of an element (index −1) or behind its child; returns how many are left for the block."""
        done, address, left, made = state
        links: list[Element] = []
        position = 0
        head = text
        for start, end, term in self.find(text):
            if term.id in done or not left:
                continue
            link = Element("a", {"class": "ld-term", "href": f"{address}#{term.id}", "title": term.definition})
            link.text = text[start:end]
            if links:
                links[-1].tail = text[position:start]
            else:
                head = text[:start]
            links.append(link)
            position = end
            done.add(term.id)
            left -= 1
        if links:
            links[-1].tail = text[position:]
            if index < 0:
                holder.text = head
            else:
                holder[index].tail = head
            for offset, link in enumerate(links):
                holder.insert(index + 1 + offset, link)
            made += links
        return left


def _entries(page: Page) -> Iterator[Term]:
    starts = [index for index, line in enumerate(page.lines) if _ENTRY.match(line)]
    for start in starts:
        heading = _ENTRY.match(page.lines[start])
        assert heading
        end = next((i for i in range(start + 1, len(page.lines)) if re.match(r"#{1,3} ", page.lines[i])), None)
        paragraphs = [" ".join(part.split()) for part in "\n".join(page.lines[start + 1 : end]).split("\n\n")]
        paragraphs = [part for part in paragraphs if part]
        also = [part.removeprefix("Also:").strip() for part in paragraphs if part.startswith("Also:")]
        words = [part for part in paragraphs if not part.startswith("Also:")]
        listed = [form for part in also for form in part.split(";" if ";" in part else ",")]
        forms = [heading["name"], *(form.strip().rstrip(".") for form in listed)]
        targets = [link["target"] for part in words for link in _LINK.finditer(part)]
        pages = {target.split("#")[0] for target in targets if target.split("#")[0].endswith(".md")}
        yield Term(
            heading["id"],
            heading["name"],
            tuple(dict.fromkeys(form for form in forms if form)),
            _plain(words[0]) if words else "",
            frozenset(pages),
            start + 1,
        )


def _plain(text: str) -> str:
    """Markdown's words without its marks."""
    text = _LINK.sub(lambda link: link["text"], text)
    return re.sub(r"(\*\*|[*`])(\S(?:.*?\S)?)\1", r"\2", text)


def _is_name(form: str) -> bool:
    """Whether capitals matter: abbreviations such as AP, and names such as WordPiece."""
    return bool(re.search(r"[A-Z].*[A-Z]|[a-z][A-Z]", form))


def _key(form: str) -> str:
    form = re.sub(r"\s+", " ", form)
    return form if _is_name(form) else form.lower()


def _form_pattern(form: str) -> str:
    """A form as it may stand in a text: with any white space, in the plural, and in lower or upper case where it is no name."""
    plural = "" if form.endswith("s") else "(?:s|es)?"
    body = re.escape(form)
    if form.endswith("y") and not _is_name(form):
        body, plural = re.escape(form[:-1]), "(?:y|ies)"
    body = re.sub(r"(?:\\ | )", r"\\s+", body)
    if not _is_name(form) and form[0].isalpha():
        body = f"[{form[0].lower()}{form[0].upper()}]{body[1:]}"
    return f"{body}{plural}"


def _skipped(element: Element) -> bool:
    classes = set((element.get("class") or "").split())
    return element.tag in _SKIPPED or bool(classes & _SKIPPED_CLASSES)


def _blocks(element: Element) -> Iterator[Element]:
    """Blocks of text, in the order in which they are read."""
    if not isinstance(element.tag, str) or _skipped(element):
        return
    if element.tag in _BLOCKS:
        yield element
    for child in list(element):
        yield from _blocks(child)


def _texts(element: Element) -> Iterator[tuple[Element, int, str]]:
    """The texts of a block, and of what stands in its lines, in the order of reading.

    Yields the element, the index of the child behind which the text stands (−1 where it is the first), and the text. A
    caller may put new children behind that place before it asks for the next text.
    """
    places: list[tuple[Element, Element | None]] = []

    def walk(one: Element) -> None:
        places.append((one, None))
        for child in list(one):
            if isinstance(child.tag, str) and not _skipped(child) and child.tag not in _BLOCKS | {"ul", "ol", "dl"}:
                walk(child)
            places.append((one, child))

    walk(element)
    for holder, child in places:
        text = holder.text if child is None else child.tail
        # What Markdown still has to put in place of its marks is no text to look into; neither are texts kept as they are.
        if text and type(text) is str:
            yield holder, -1 if child is None else list(holder).index(child), text
