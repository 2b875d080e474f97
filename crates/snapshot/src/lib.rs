//! One file that holds a target: facts, program image and memory, checked and compressed.
