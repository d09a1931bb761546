"""How is it told?  All that a chapter imports beyond a mechanism."""
