"""Reads the inputs of models: picture files, arrays, class folders, labelled boxes and cameras, and resizes pictures.

The package needs neither TensorFlow nor a runtime.
"""
