"""The classes of error_codes.proto, out of the private pool; error_codes_pb2.pyi says what they hold."""

from telltale_tfserving.protos._pool import enum

Code = enum("tensorflow.error.Code")
