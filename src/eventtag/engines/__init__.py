"""What runs a model: torch, ONNX Runtime or OpenVINO, and the choice among them."""
