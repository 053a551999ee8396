"""What the paper's networks are made of where segmentation_models_pytorch cannot be had."""
