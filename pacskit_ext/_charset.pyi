from collections.abc import Sequence

class CharacterSet:
    terms: tuple[str, ...]
    codecs: tuple[str, ...]
    def __init__(self, terms: Sequence[str] = ()) -> None: ...
    def encode(self, text: str, is_name: bool = False) -> bytes: ...
