"""GGUF files: tensors of llama.cpp and its kin, with everything else that they say."""
