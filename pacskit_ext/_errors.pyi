class PacsError(Exception): ...

class DecodeError(PacsError, ValueError):
    message: str
    offset: int | None
    tag: int | None
    path: str | None
    def __init__(
        self, message: str, *, offset: int | None = None, tag: int | None = None, path: str | None = None
    ) -> None: ...

class TruncatedError(DecodeError, EOFError): ...
class LimitError(DecodeError): ...

class EncodeError(PacsError, ValueError):
    message: str
    tag: int | None
    path: str | None
    def __init__(self, message: str, *, tag: int | None = None, path: str | None = None) -> None: ...
