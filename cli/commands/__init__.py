"""The commands of `zoo`, one thin module each: parse, call one function, print."""
