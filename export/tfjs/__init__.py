"""Exports classifiers as layers models of TensorFlow.js."""
