"""One DICOM service a module."""
