from typing import final

@final
class Surroundings:
    """What the items of a data set's sequences inherit from it."""
