"""Training of the second look (`models/lintel-look`): a classifier of crops.

The modules, in the order the data flows:

    proposals  pictures -> boxes of the shipped detector at a low floor, whole and in slices
    crops      picture + box -> the network's input, as the product cuts it; crops made worse
    examples   COCO files, our labels and proposals -> named boxes
    draw       contact sheets of pictures and boxes, to label and to check labels by eye
    network    EfficientNet-Lite0 as plain PyTorch modules, with the published ImageNet weights
    features   crops -> what the frozen trunk says of them, kept in a file
    train      features -> the last blocks and the head
    export     network -> ONNX and manifest, with the equality check
    score      probabilities of dev and unseen crops -> switches, thresholds, figures
    card       the model card, from measurements
"""
