"""What Telltale's HTTP services do alike: name each request, log it, answer every error as a problem, read a form.

ASGI and Starlette, no service. Nothing is imported here, so that a process that only logs loads no web framework.
"""
