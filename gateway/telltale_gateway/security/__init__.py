"""Who asks, what they may do and how often. It knows no HTTP framework: headers in, a caller or an error out."""

from telltale_gateway.security.caller import SCOPES, Caller, Scope
from telltale_gateway.security.guard import Guard
from telltale_gateway.security.keys import ApiKey, KeyFile, MalformedKeyFile
from telltale_gateway.security.tokens import Jwks, TokenVerifier

__all__ = ["SCOPES", "ApiKey", "Caller", "Guard", "Jwks", "KeyFile", "MalformedKeyFile", "Scope", "TokenVerifier"]
