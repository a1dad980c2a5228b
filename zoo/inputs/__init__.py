"""What goes into a model: picture files, arrays, class folders, cameras, and how a picture comes to size.

Stands on the ground floor only (errors, files) and needs neither TensorFlow nor a runtime.
"""
