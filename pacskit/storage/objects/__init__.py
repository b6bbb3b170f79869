"""The objects of an archive in a blob store, which any number of machines share."""

from pacskit.storage.objects.opening import CacheOptions, check_blobs, open_objects
from pacskit.storage.objects.reading import BlobFile
from pacskit.storage.objects.remote import BlobObjects
from pacskit.storage.objects.spool import SpoolWriter

__all__ = ["BlobFile", "BlobObjects", "CacheOptions", "SpoolWriter", "check_blobs", "open_objects"]
