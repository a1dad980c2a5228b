"""Distillation: a model learns a teacher's answers, also on pictures without classes."""
