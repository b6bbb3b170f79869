"""Webhooks: others are told by HTTP what happened to the archive, in order, and until they have taken it.

A delivery is a POST of JSON, signed as the Standard Webhooks specification has it, so that ready-made libraries verify
it; `verify` does so here.
"""

from pacskit.client.webhooks.posting import DeliveryFailed, WebhookSettings
from pacskit.client.webhooks.signing import InvalidDelivery, new_secret, sign, verify
from pacskit.client.webhooks.webhooks import HookStatus, Webhooks

__all__ = [
    "DeliveryFailed",
    "HookStatus",
    "InvalidDelivery",
    "WebhookSettings",
    "Webhooks",
    "new_secret",
    "sign",
    "verify",
]
