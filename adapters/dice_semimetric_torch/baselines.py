"""The soft Dice and Jaccard losses as modules, to compare with: they are wrong on soft labels."""

from typing import ClassVar, Literal

from ._region import RegionLoss


class SoftDiceLoss(RegionLoss[Literal["sdl"]]):
    """Soft Dice loss (SDL), a baseline: WRONG on soft labels.

    ``1 - 2 <x, y> / (|x| + |y|)`` of each class. Where a soft target is reached exactly, neither
    the loss nor its gradient is 0: it draws predictions to 0 and 1. Use `DiceSemimetricLoss`, equal
    on hard labels.

    The loss is called with the input (B, C, *spatial), in a floating dtype, and integer labels
    (B, *spatial), or soft labels or masks of each class (integers 0 and 1, or bool) of the input's
    shape. Half precision is summed in float32.

    Parameters
    ----------
    include_background : bool, optional
        False leaves class 0 out.
    to_onehot_y : bool, optional
        Take a target of (B, 1, *spatial) as labels; no one-hot is made of them.
    sigmoid, softmax : bool, optional
        What makes probabilities of the input; softmax runs over the class axis.
    other_act : callable, optional
        Another activation; its values must lie in [0, 1].
    reduction : {"mean", "sum", "none"}, optional
        "none" returns (B, C), or (C,) with ``batch=True``.
    smooth_nr, smooth_dr : float, optional
        Added to the numerator and the denominator of the score 1 - loss.
    batch : bool, optional
        Pool the pixels of the batch; otherwise each image has its own loss.
    weight : float, sequence of float or Tensor, optional
        A factor for each class that ``include_background`` leaves; not normalised.
    variant : {"sdl"}, optional
        The formula; there is one.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, give a mask.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0.
    per : {"batch", "image", "class"}, optional
        The order of the means, see `dice_semimetric.region_loss`; by default from ``batch``.
    log : bool, optional
        Take ``-ln(1 - loss)`` of each class.
    gamma : float, optional
        The focal term, above 0; 1 means none.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises the loss to ``1 / gamma``, Eq. (33), before ``log`` is taken; "code" to
        ``gamma``, after it.
    process_group : torch.distributed.ProcessGroup, optional
        With ``batch=True``, the processes whose batches are pooled into one.
    label_smoothing : float, optional
        The share epsilon of the uniform distribution in the labels, from 0 to 1: (1 - epsilon) y
        + epsilon / C, or with ``sigmoid`` epsilon / 2 for each channel.
    smoothing : {"uniform", "boundary"}, optional
        Which labels are smoothed: all, or integer labels and masks where another one is next to
        them, see `dice_semimetric.smooth_boundary`.
    deep_supervision_weights : sequence of float, optional
        Of each output if a list of outputs is given. None halves them from one to the next and
        makes them sum to 1, see `DiceSemimetricLoss`.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, two exclude each other, or types, shapes or values do not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (1).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import SoftDiceLoss
    >>> loss = SoftDiceLoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels)), 3)
    0.5
    >>> round(float(loss(logits, torch.full((1, 2, 4), 0.5))), 3)
    0.5

    In a training loop, on hard labels:

    >>> network = torch.nn.Conv2d(1, 2, 3, padding=1)
    >>> optimizer = torch.optim.AdamW(network.parameters())
    >>> criterion = SoftDiceLoss(softmax=True)
    >>> for image, label in [(torch.rand(2, 1, 8, 8), torch.randint(0, 2, (2, 8, 8)))]:
    ...     optimizer.zero_grad()
    ...     criterion(network(image), label).backward()
    ...     optimizer.step()
    """

    variants: ClassVar[tuple[str, ...]] = ("sdl",)


class SoftJaccardLoss(RegionLoss[Literal["sjl"]]):
    """Soft Jaccard loss (SJL), a baseline: WRONG on soft labels.

    ``1 - <x, y> / (|x| + |y| - <x, y>)`` of each class. Where a soft target is reached exactly,
    neither the loss nor its gradient is 0. Use `JaccardMetricLoss`, equal on hard labels.

    The loss is called with the input (B, C, *spatial), in a floating dtype, and integer labels
    (B, *spatial), or soft labels or masks of each class (integers 0 and 1, or bool) of the input's
    shape. Half precision is summed in float32.

    Parameters
    ----------
    include_background : bool, optional
        False leaves class 0 out.
    to_onehot_y : bool, optional
        Take a target of (B, 1, *spatial) as labels; no one-hot is made of them.
    sigmoid, softmax : bool, optional
        What makes probabilities of the input; softmax runs over the class axis.
    other_act : callable, optional
        Another activation; its values must lie in [0, 1].
    reduction : {"mean", "sum", "none"}, optional
        "none" returns (B, C), or (C,) with ``batch=True``.
    smooth_nr, smooth_dr : float, optional
        Added to the numerator and the denominator of the score 1 - loss.
    batch : bool, optional
        Pool the pixels of the batch; otherwise each image has its own loss.
    weight : float, sequence of float or Tensor, optional
        A factor for each class that ``include_background`` leaves; not normalised.
    variant : {"sjl"}, optional
        The formula; there is one.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, give a mask.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0.
    per : {"batch", "image", "class"}, optional
        The order of the means, see `dice_semimetric.region_loss`; by default from ``batch``.
    log : bool, optional
        Take ``-ln(1 - loss)`` of each class.
    gamma : float, optional
        The focal term, above 0; 1 means none.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises the loss to ``1 / gamma``, Eq. (33), before ``log`` is taken; "code" to
        ``gamma``, after it.
    process_group : torch.distributed.ProcessGroup, optional
        With ``batch=True``, the processes whose batches are pooled into one.
    label_smoothing : float, optional
        The share epsilon of the uniform distribution in the labels, from 0 to 1: (1 - epsilon) y
        + epsilon / C, or with ``sigmoid`` epsilon / 2 for each channel.
    smoothing : {"uniform", "boundary"}, optional
        Which labels are smoothed: all, or integer labels and masks where another one is next to
        them, see `dice_semimetric.smooth_boundary`.
    deep_supervision_weights : sequence of float, optional
        Of each output if a list of outputs is given. None halves them from one to the next and
        makes them sum to 1, see `DiceSemimetricLoss`.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, two exclude each other, or types, shapes or values do not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (2).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import SoftJaccardLoss
    >>> loss = SoftJaccardLoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels)), 3)
    0.667
    >>> round(float(loss(logits, torch.full((1, 2, 4), 0.5))), 3)
    0.667

    In a training loop, on hard labels:

    >>> network = torch.nn.Conv2d(1, 2, 3, padding=1)
    >>> optimizer = torch.optim.AdamW(network.parameters())
    >>> criterion = SoftJaccardLoss(softmax=True)
    >>> for image, label in [(torch.rand(2, 1, 8, 8), torch.randint(0, 2, (2, 8, 8)))]:
    ...     optimizer.zero_grad()
    ...     criterion(network(image), label).backward()
    ...     optimizer.step()
    """

    variants: ClassVar[tuple[str, ...]] = ("sjl",)
