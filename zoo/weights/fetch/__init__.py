"""Fetches the files of published weights, whole and checked, from servers that are not trusted."""
