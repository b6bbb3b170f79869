"""A store from its address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pacskit.core.errors import ConfigurationError
from pacskit.storage.blobs.base import BlobStore, check_prefix
from pacskit.storage.blobs.errors import InvalidKey
from pacskit.storage.blobs.local import LocalStore
from pacskit.storage.blobs.memory import MemoryStore
from pacskit.storage.blobs.options import StoreOptions

if TYPE_CHECKING:
    from pacskit.storage.blobs.cloud import CloudStore

__all__ = ["open_store"]

_CLOUDS: Final = {"s3": "s3", "az": "az", "azure": "az", "gs": "gs"}


def open_store(address: str | os.PathLike[str], options: StoreOptions | None = None) -> BlobStore:
    """Open the store at an address; ConfigurationError where it says what cannot be.

    ``s3://bucket/prefix``, ``az://container/prefix`` (with ``?account=``), ``gs://bucket/prefix``, ``file:///path`` or
    a path, ``memory://``. The fields of `StoreOptions` may follow as ``?name=value&…``, except secrets.

    >>> open_store("memory://?max_bytes=1000")
    MemoryStore(0 blobs, 0 of 1000 bytes)
    >>> open_store("s3://user:secret@bucket")
    Traceback (most recent call last):
    pacskit.core.errors.ConfigurationError: credentials belong into StoreOptions or the environment, not an address
    """
    options = options or StoreOptions()
    if not isinstance(address, str) or "://" not in address:
        return LocalStore(address, sync="none" if options.sync == "none" else "object", max_size=options.max_size)
    found = urlsplit(address)
    if "@" in found.netloc:
        raise ConfigurationError("credentials belong into StoreOptions or the environment, not an address")
    options = options.with_query(dict(parse_qsl(found.query, keep_blank_values=True)))
    if found.scheme == "memory":
        return MemoryStore(max_bytes=options.max_bytes)
    if found.scheme == "file":
        return _local(found, options)
    if found.scheme not in _CLOUDS:
        raise ConfigurationError("the address of a store begins with s3, az, gs, file or memory")
    return _cloud(_CLOUDS[found.scheme], found, options)


def _local(found: SplitResult, options: StoreOptions) -> LocalStore:
    if found.netloc not in ("", "localhost") or not found.path:
        raise ConfigurationError("a directory is file:///path")
    path = Path(unquote(found.path))
    return LocalStore(path, sync="none" if options.sync == "none" else "object", max_size=options.max_size)


def _cloud(kind: str, found: SplitResult, options: StoreOptions) -> CloudStore:
    if not found.netloc:
        raise ConfigurationError(f"the name of the bucket follows {found.scheme}://")
    try:
        prefix = check_prefix(unquote(found.path).strip("/"))
    except InvalidKey as error:
        raise ConfigurationError(f"the prefix is not one: {error}") from None
    try:
        import obstore.store
    except ImportError:
        raise ConfigurationError("stores in a cloud need obstore: pip install pacskit[cloud]") from None
    from pacskit.storage.blobs.cloud import CloudStore

    makers: dict[str, Any] = {"s3": _s3, "az": _azure, "gs": _google}
    common: dict[str, Any] = {
        "prefix": prefix or None,
        "client_options": _client(options),
        "retry_config": _retry(options),
        **options.credentials,
    }
    try:
        store = makers[kind](obstore.store, found.netloc, options, common)
    except (obstore.exceptions.BaseError, ValueError, TypeError) as error:
        raise ConfigurationError(f"no store can be made of these options ({type(error).__name__})") from None
    return CloudStore(store, options)


def _client(options: StoreOptions) -> dict[str, Any]:
    found: dict[str, Any] = {
        "allow_http": (options.endpoint or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=min(5.0, options.timeout)),
        "read_timeout": timedelta(seconds=options.timeout),
        "timeout": timedelta(seconds=options.deadline),
        "default_content_type": "application/dicom",
    }
    if options.root_certificate is not None:
        found["root_certificate"] = options.root_certificate
    return found


def _retry(options: StoreOptions) -> dict[str, Any]:
    return {
        "max_retries": 1000,
        "retry_timeout": timedelta(seconds=options.patience),
        "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2},
    }


def _s3(module: Any, bucket: str, options: StoreOptions, common: Mapping[str, Any]) -> Any:
    config = {
        "endpoint": options.endpoint,
        "region": options.region,
        "server_side_encryption": options.sse,
        "sse_kms_key_id": options.sse_kms_key_id,
    }
    if options.account is not None:
        raise ConfigurationError("account is for Azure")
    return module.S3Store(
        bucket,
        virtual_hosted_style_request=options.virtual_hosted,
        **_given(config),
        **common,
    )


def _azure(module: Any, container: str, options: StoreOptions, common: Mapping[str, Any]) -> Any:
    _only_s3(options)
    config = {"account_name": options.account, "endpoint": options.endpoint}
    return module.AzureStore(container, **_given(config), **common)


def _google(module: Any, bucket: str, options: StoreOptions, common: Mapping[str, Any]) -> Any:
    _only_s3(options)
    if options.account is not None or options.endpoint is not None:
        raise ConfigurationError("account and endpoint are not Google's")
    return module.GCSStore(bucket, **common)


def _only_s3(options: StoreOptions) -> None:
    if options.sse is not None or options.region is not None or options.virtual_hosted:
        raise ConfigurationError("sse, region and virtual_hosted are for S3")


def _given(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value is not None}
