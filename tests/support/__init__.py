"""What tests share; no test is in it."""
