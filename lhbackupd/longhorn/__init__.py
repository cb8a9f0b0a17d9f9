"""Everything that knows the wire format of the Longhorn REST API."""
