"""Training of the shipped detector: network, data, loss, schedule, export.

The modules, in the order the data flows:

    classes   the class list and the table of data sources (read from TOML)
    dataset   COCO files -> pictures and targets held in memory
    augment   picture + targets -> training canvas
    network   YOLOX-nano as plain PyTorch modules
    seed      ONNX initializers of the pretrained seed -> network weights
    assign    ground truth -> anchor points (SimOTA)
    loss      partial-label loss and distillation from the seed
    schedule  learning rate and moving average of the weights
    export    network -> ONNX + manifest, with the equality check
"""
