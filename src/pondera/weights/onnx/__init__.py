"""ONNX models: initializers inside the file or beside it, and what uses them."""
