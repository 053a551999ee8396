"""The regional losses as modules, with MONAI's argument names and defaults."""

from typing import ClassVar, Literal

from ._region import RegionLoss


class DiceSemimetricLoss(RegionLoss[Literal["dml1", "dml2"]]):
    """Dice semimetric loss (DML): the Dice loss that is smallest where input and target agree.

    Of each class, "dml1" is ``1 - (|x| + |y| - |x - y|) / (|x| + |y|)`` and "dml2" is
    ``1 - 2 <x, y> / (2 <x, y> + |x - y|)``, where ``|x|`` is the sum of the probabilities over the
    pixels and <x, y> that of the products. On hard labels both are the soft Dice loss.

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
    variant : {"dml1", "dml2"}, optional
        The formula.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, give a mask.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0, judged over the batch
        with ``batch=True`` and image by image otherwise.
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
        With ``batch=True``, the processes whose batches are pooled into one, such as
        ``torch.distributed.group.WORLD``. After DistributedDataParallel has averaged the
        gradients they are those of one process with the joined batch.
    label_smoothing : float, optional
        The share epsilon of the uniform distribution in the labels, from 0 to 1: (1 - epsilon) y
        + epsilon / C, or with ``sigmoid`` epsilon / 2 for each channel.
    smoothing : {"uniform", "boundary"}, optional
        Which labels are smoothed: all, or integer labels and masks where another one is next to
        them, see `dice_semimetric.smooth_boundary`.
    deep_supervision_weights : sequence of float, optional
        Of each output if a list of outputs is given. None halves them from one to the next and
        makes them sum to 1, as nnU-Net does but for its coarsest output, which it leaves out.
        MONAI's DynUNet stacks them, (B, levels, C, *spatial): ``outputs.unbind(1)`` gives the list.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, two exclude each other, or types, shapes or values do not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (4).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import DiceSemimetricLoss
    >>> loss = DiceSemimetricLoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels)), 3)
    0.5
    >>> round(float(loss(logits, torch.full((1, 2, 4), 0.5))), 3)
    0.0

    In a training loop, with the mean of five raters as the label:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> optimizer = torch.optim.AdamW(network.parameters())
    >>> criterion = DiceSemimetricLoss(sigmoid=True, batch=True)
    >>> for image, mean in [(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8).mul(5).round() / 5)]:
    ...     optimizer.zero_grad()
    ...     criterion(network(image), mean).backward()
    ...     optimizer.step()
    """


class JaccardMetricLoss(RegionLoss[Literal["jml1", "jml2"]]):
    """Jaccard metric loss (JML): as `DiceSemimetricLoss`, for the Jaccard index.

    Of each class, "jml1" is ``1 - (|x| + |y| - |x - y|) / (|x| + |y| + |x - y|)`` and "jml2" is
    ``1 - <x, y> / (<x, y> + |x - y|)``, where ``|x|`` is the sum of the probabilities over the
    pixels and <x, y> that of the products. On hard labels both are the soft Jaccard loss.

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
    variant : {"jml1", "jml2"}, optional
        The formula.
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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (3).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import JaccardMetricLoss
    >>> loss = JaccardMetricLoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels)), 3)
    0.667
    >>> round(float(loss(logits, torch.full((1, 2, 4), 0.5))), 3)
    0.0

    In a training loop, with the mean of five raters as the label:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> optimizer = torch.optim.AdamW(network.parameters())
    >>> criterion = JaccardMetricLoss(sigmoid=True, batch=True)
    >>> for image, mean in [(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8).mul(5).round() / 5)]:
    ...     optimizer.zero_grad()
    ...     criterion(network(image), mean).backward()
    ...     optimizer.step()
    """

    variants: ClassVar[tuple[str, ...]] = ("jml1", "jml2")
