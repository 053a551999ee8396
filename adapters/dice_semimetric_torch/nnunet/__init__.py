"""nnU-Net v2 with a Dice semimetric loss.

nnU-Net finds the trainer when the environment variable ``nnUNet_extTrainer`` names this folder::

    export nnUNet_extTrainer=$(python -m dice_semimetric_torch.nnunet)
    nnUNetv2_train DATASET CONFIGURATION FOLD -tr nnUNetTrainerDML
"""
