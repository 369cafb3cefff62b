"""Texts to change, to read, to label, to translate, and to write in a given form."""
