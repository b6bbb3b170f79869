"""What becomes of objects as time goes by: moves between tiers, retention, quotas, legal holds, recompression.

`Lifecycle` does what policies say, a cycle at a time; whoever schedules it decides when.
"""

from pacskit.storage.index.rewriting import received_digest
from pacskit.storage.lifecycle.engine import Lifecycle
from pacskit.storage.lifecycle.gate import Gate
from pacskit.storage.lifecycle.holds import Holds
from pacskit.storage.lifecycle.opening import Tier, open_tiers
from pacskit.storage.lifecycle.policies import (
    CycleLimits,
    MovePolicy,
    Policies,
    Quota,
    RecompressPolicy,
    RetentionPolicy,
)
from pacskit.storage.lifecycle.recompressing import Recompressed, recompress
from pacskit.storage.lifecycle.report import Action, Report, TierStatus

__all__ = [
    "Action",
    "CycleLimits",
    "Gate",
    "Holds",
    "Lifecycle",
    "MovePolicy",
    "Policies",
    "Quota",
    "RecompressPolicy",
    "Recompressed",
    "Report",
    "RetentionPolicy",
    "Tier",
    "TierStatus",
    "open_tiers",
    "received_digest",
    "recompress",
]
