"""Exports Keras models to checked `.tflite` files: conversion, quantization, order and names."""
