"""Fuzzy matching of person names (PS3.4 C.2.2.2.1), where it has been negotiated (C.5.1.1).

What is asked for is taken as words: in any order, without case, accents and punctuation. A name matches when each word
asked for is a word of the name, whichever component or group that stands in, and the first word of one of its groups
is among those. Two words are the same when one of these holds:

- the word of the name begins with the one asked for, or is its initial;
- they sound alike: ``ph`` as ``f``, ``th dt`` as ``t``, ``c ck q`` as ``k``, ``z`` as ``s``, ``j y`` as ``i``, ``w`` as
  ``v``, a doubled letter as one, not at all an ``e`` after ``a``, ``o`` or ``u``, and an ``h`` that does not begin the
  word;
- what they sound like begins with the same letter and differs by one letter that is missing, wrong or exchanged with
  its neighbour, where the shorter one has at least four, by two where it has at least eight.

That the first words are among those asked for is what makes it fast: only names that begin so are looked at, which the
index finds.
"""

from __future__ import annotations

import re
from typing import Final

from pacskit.storage.text import fold, prefix_end

__all__ = ["beginnings", "matches_fuzzily", "sounds", "words"]

MAX_WORDS: Final = 8  # of what is asked for, and twice as many of each group of a name
MAX_LETTERS: Final = 32  # of a word; those after it are not looked at
_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHES: Final = re.compile("['`\u2018\u2019\u02bc]")
_SOUNDS: Final = (
    (re.compile("([aou])e"), r"\1"),
    (re.compile("ph"), "f"),
    (re.compile("th|dt"), "t"),
    (re.compile("ck|c|q"), "k"),
    (re.compile("z"), "s"),
    (re.compile("[jy]"), "i"),
    (re.compile("w"), "v"),
    (re.compile("(?<=.)h"), ""),
    (re.compile(r"(.)\1+"), r"\1"),
)
# What a word may begin with so that it sounds as if it began with this letter.
_SPELLINGS: Final = {"f": ("f", "ph"), "k": ("c", "k", "q"), "s": ("s", "z"), "i": ("i", "j", "y"), "v": ("v", "w")}


def words(name: str) -> list[str]:
    """Return the words of a name.

    >>> words("O'Brien^Mary-Ann=")
    ['obrien', 'mary', 'ann']
    """
    return [one[:MAX_LETTERS] for one in _WORD.findall(_APOSTROPHES.sub("", fold(name)))]


def sounds(word: str) -> str:
    """Return what a word sounds like.

    >>> sounds("schmidt"), sounds("schmitt")
    ('skmit', 'skmit')
    """
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word


def beginnings(asked: str) -> list[tuple[str, str | None]]:
    """Return the ranges of folded text in which a group is that begins with a word asked for."""
    found: dict[str, None] = {}
    for word in words(asked)[:MAX_WORDS]:
        first = sounds(word)[0]
        found |= dict.fromkeys((word[0], *_SPELLINGS.get(first, (first,))))
    return [(one, prefix_end(one)) for one in found]


def matches_fuzzily(asked: str, *groups: str) -> bool:
    """Whether the groups of a name match what is asked for.

    >>> matches_fuzzily("jon smyth", "smith^john"), matches_fuzzily("jane", "smith^john")
    (True, False)
    """
    wanted = [(one, sounds(one)) for one in words(asked)[:MAX_WORDS]]
    named = [words(one)[: 2 * MAX_WORDS] for one in groups if one]
    if not any(_alike(*one, group[0]) for group in named if group for one in wanted):
        return False
    every = [word for group in named for word in group]
    return all(any(_alike(*one, word) for word in every) for one in wanted)


def _alike(asked: str, sound: str, word: str) -> bool:
    if word.startswith(asked) or (len(word) == 1 and asked[0] == word):
        return True
    other = sounds(word)
    if sound[0] != other[0]:
        return False
    shorter, longer = sorted((len(sound), len(other)))
    most = 0 if shorter < 4 else 1 if shorter < 8 else 2
    return sound == other or (longer - shorter <= most and _is_near(sound, other, most))


def _is_near(one: str, other: str, most: int) -> bool:
    """Whether no more than that many letters have to be put in, left out, changed or exchanged with the next one."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            least = min(last[column] + 1, line[-1] + 1, last[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                least = min(least, before[column - 2] + 1)
            line.append(least)
        if min(line) > most and min(last) > most:
            return False
        before, last = last, line
    return last[-1] <= most
