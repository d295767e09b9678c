"""What all stand-ins share: serving, latency, faults to order, and a log of what arrived."""

from pipeline.sandbox.faults import Faults, Poison
from pipeline.sandbox.options import Options, read_options
from pipeline.sandbox.process import Apart, apart
from pipeline.sandbox.serving import Sandbox, Service, serve

__all__ = ["Apart", "Faults", "Options", "Poison", "Sandbox", "Service", "apart", "read_options", "serve"]
