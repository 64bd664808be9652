"""Ideas: values and small machines. Pure: no I/O, no clock, no dice, no logging."""
