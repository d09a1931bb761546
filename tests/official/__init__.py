"""What the authors compute with weights in the layout of their own code, written again by us.

Names and shapes are those of the code that a table of `attention_lib.official` names as its source.
"""
