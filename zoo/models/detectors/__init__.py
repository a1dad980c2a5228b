"""The architectures of detectors, with their anchors."""
