"""Samples to try Telltale on, made from one public-domain portrait and a speech synthesiser."""
