"""The UIDs of PS3.6 annex A as constants by keyword, and the SOP classes of a service as tuples.

>>> CTImageStorage.name
'CT Image Storage'
"""

from pacskit.core._generated.uids import *  # noqa: F403
from pacskit.core._generated.uids import __all__ as __all__  # noqa: PLC0414
