"""Models that leave: `export` writes files, by `onnx_graphs` and `pmml`."""
