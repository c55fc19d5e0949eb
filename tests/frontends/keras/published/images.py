"""Classifiers, detectors and segmentation of images."""

from __future__ import annotations

from typing import Any

from published import functions, published


def conv_bn(k: Any, x: Any, filters: int, size: int = 3, activation: str = "relu", **options: Any) -> Any:
    """Conv2D, BatchNormalization and Activation."""
    x = k.layers.Conv2D(filters, size, padding="same", use_bias=False, **options)(x)
    x = k.layers.BatchNormalization()(x)
    return k.layers.Activation(activation)(x)


@published
def mnist_mlp(k: Any) -> Any:
    """Keras's example, 2015."""
    L = k.layers
    return k.Sequential([
        k.Input((49,)), L.Dense(32, activation="relu"), L.Dropout(0.2), L.Dense(32, activation="relu"), L.Dropout(0.2),
        L.Dense(10, activation="softmax"),
    ])  # fmt: skip


@published
def mnist_cnn(k: Any) -> Any:
    """Keras's example, 2015."""
    L = k.layers
    return k.Sequential([
        L.Conv2D(8, kernel_size=(3, 3), activation="relu", input_shape=(14, 14, 1)),
        L.Conv2D(16, (3, 3), activation="relu"), L.MaxPooling2D(pool_size=(2, 2)), L.Dropout(0.25), L.Flatten(),
        L.Dense(16, activation="relu"), L.Dropout(0.5), L.Dense(10, activation="softmax"),
    ])  # fmt: skip


@published
def cifar10_cnn(k: Any) -> Any:
    """Keras's example with separate activations, 2015."""
    L = k.layers
    model = k.Sequential()
    model.add(k.Input((12, 12, 3)))
    for filters in (8, 12):
        model.add(L.Conv2D(filters, (3, 3), padding="same"))
        model.add(L.Activation("relu"))
        model.add(L.Conv2D(filters, (3, 3)))
        model.add(L.Activation("relu"))
        model.add(L.MaxPooling2D(pool_size=(2, 2)))
        model.add(L.Dropout(0.25))
    model.add(L.Flatten())
    model.add(L.Dense(10))
    model.add(L.Activation("softmax"))
    return model


@published
def lenet(k: Any) -> Any:
    """LeNet-5 with tanh and mean pooling, tutorials since 2016."""
    L = k.layers
    return k.Sequential([
        k.Input((28, 28, 1)), L.Conv2D(6, 5, activation="tanh", padding="same"), L.AveragePooling2D(2),
        L.Conv2D(16, 5, activation="tanh"), L.AveragePooling2D(2), L.Flatten(), L.Dense(24, activation="tanh"),
        L.Dense(10, activation="softmax"),
    ])  # fmt: skip


@published
def alexnet(k: Any) -> Any:
    """AlexNet with batch normalization and overlapping pools, 2017."""
    L = k.layers
    return k.Sequential([
        k.Input((51, 51, 3)), L.Conv2D(8, 11, strides=4, activation="relu"), L.BatchNormalization(),
        L.MaxPooling2D(3, strides=2), L.ZeroPadding2D(2), L.Conv2D(12, 5, activation="relu"), L.MaxPooling2D(3, 2),
        L.Flatten(), L.Dense(16, activation="relu"), L.Dropout(0.5), L.Dense(7, activation="softmax"),
    ])  # fmt: skip


@published
def vgg(k: Any) -> Any:
    """VGG with batch normalization after the activation and zero padding of its own, 2016."""
    L = k.layers
    model = k.Sequential([L.ZeroPadding2D((1, 1), input_shape=(16, 16, 3))])
    for filters in (6, 6, 10):
        model.add(L.Conv2D(filters, (3, 3), activation="relu"))
        model.add(L.BatchNormalization())
        model.add(L.ZeroPadding2D((1, 1)))
    model.add(L.MaxPooling2D((2, 2), strides=(2, 2)))
    model.add(L.Flatten())
    model.add(L.Dense(10, activation="softmax"))
    return model


@published
def transfer_learning(k: Any) -> Any:
    """A frozen base as the first layer of a Sequential model, Kaggle since 2017."""
    L = k.layers
    inputs = k.Input((24, 24, 3))
    base = k.Model(inputs, conv_bn(k, conv_bn(k, inputs, 8, strides=2), 12), name="base")
    base.trainable = False
    return k.Sequential([
        base, L.GlobalAveragePooling2D(), L.Dropout(0.3), L.Dense(16, "relu"), L.BatchNormalization(),
        L.Dense(2, "softmax"),
    ])  # fmt: skip


@published
def cifar10_resnet_v1(k: Any) -> Any:
    """Keras's example, 2017."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    x = conv_bn(k, inputs, 8)
    for filters, strides in ((8, 1), (16, 2)):
        y = conv_bn(k, x, filters, strides=strides)
        y = L.BatchNormalization()(L.Conv2D(filters, 3, padding="same")(y))
        if strides > 1:
            x = L.Conv2D(filters, 1, strides=strides, padding="same")(x)
        x = L.Activation("relu")(L.add([x, y]))
    x = L.Flatten()(L.AveragePooling2D(pool_size=8)(x))
    return k.Model(inputs, L.Dense(10, activation="softmax", kernel_initializer="he_normal")(x))


@published
def cifar10_resnet_v2(k: Any) -> Any:
    """Keras's example with activations before convolutions, 2017."""
    L = k.layers
    x = inputs = k.Input((12, 12, 3))
    x = conv_bn(k, x, 8)
    for strides in (1, 2):
        y = L.Activation("relu")(L.BatchNormalization()(x))
        y = L.Conv2D(4, 1, strides=strides)(y)
        y = L.Conv2D(4, 3, padding="same")(L.Activation("relu")(L.BatchNormalization()(y)))
        y = L.Conv2D(16, 1)(y)
        x = L.Add()([L.Conv2D(16, 1, strides=strides)(x), y])
    x = L.GlobalAveragePooling2D()(L.Activation("relu")(L.BatchNormalization()(x)))
    return k.Model(inputs, L.Dense(10, activation="softmax")(x))


@published
def squeezenet(k: Any) -> Any:
    """Fire modules, 2017."""
    L = k.layers
    inputs = k.Input((23, 23, 3))
    x = L.MaxPooling2D(3, 2)(L.Conv2D(8, 3, strides=2, activation="relu", padding="valid")(inputs))
    for squeeze in (3, 4):
        s = L.Conv2D(squeeze, 1, activation="relu")(x)
        left, right = (L.Conv2D(8, size, activation="relu", padding="same")(s) for size in (1, 3))
        x = L.concatenate([left, right], axis=3)
    x = L.Dropout(0.5)(x)
    x = L.GlobalAveragePooling2D()(L.Activation("relu")(L.Conv2D(10, 1)(x)))
    return k.Model(inputs, L.Activation("softmax")(x))


@published
def inception(k: Any) -> Any:
    """GoogLeNet's module with an auxiliary classifier, 2016."""
    L = k.layers
    inputs = k.Input((15, 15, 6))
    towers = [conv_bn(k, inputs, 4, 1), conv_bn(k, conv_bn(k, inputs, 3, 1), 4, 3)]
    towers.append(conv_bn(k, conv_bn(k, inputs, 2, 1), 3, 5))
    towers.append(conv_bn(k, L.MaxPooling2D(3, strides=1, padding="same")(inputs), 3, 1))
    x = L.concatenate(towers)
    auxiliary = L.Dense(5, activation="softmax")(L.Flatten()(L.AveragePooling2D(5, strides=3)(x)))
    x = L.Conv2D(6, (1, 7), padding="same")(L.Conv2D(6, (7, 1), padding="same")(x))
    return k.Model(inputs, [L.Dense(5, activation="softmax")(L.GlobalAveragePooling2D()(x)), auxiliary])


@published
def densenet(k: Any) -> Any:
    """Dense blocks and transitions, 2018."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    x = L.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    for _ in range(2):
        for _ in range(2):
            y = L.Activation("relu")(L.BatchNormalization(epsilon=1.1e-5)(x))
            x = L.Concatenate(axis=-1)([x, L.Conv2D(4, 3, padding="same", use_bias=False)(y)])
        x = L.AveragePooling2D(2, strides=2)(L.Conv2D(8, 1, use_bias=False)(x))
    return k.Model(inputs, L.Dense(5, activation="sigmoid")(L.GlobalMaxPooling2D()(x)))


@published
def resnext_se(k: Any) -> Any:
    """Grouped convolution with squeeze and excitation, 2019."""
    L = k.layers
    inputs = k.Input((10, 10, 8))
    x = L.Conv2D(8, 3, padding="same", groups=4, use_bias=False)(inputs)
    x = L.BatchNormalization()(x)
    s = L.Reshape((1, 1, 8))(L.GlobalAveragePooling2D()(x))
    s = L.Dense(8, activation="sigmoid")(L.Dense(2, activation="relu")(s))
    x = L.ReLU()(L.Add()([inputs, L.multiply([x, s])]))
    return k.Model(inputs, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


@published
def mobilenet_v2(k: Any) -> Any:
    """Inverted residuals with ReLU6 and padding by hand, 2018."""
    L = k.layers
    inputs = k.Input((17, 17, 3))
    x = L.ReLU(6.0)(L.BatchNormalization(epsilon=1e-3, momentum=0.999)(L.Conv2D(8, 3, 2, "same")(inputs)))
    for strides in (1, 2):
        y = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(24, 1, use_bias=False)(x)))
        y = L.ZeroPadding2D(((0, 1), (0, 1)))(y) if strides == 2 else y
        y = L.DepthwiseConv2D(3, strides, "same" if strides == 1 else "valid", use_bias=False)(y)
        y = L.BatchNormalization()(L.Conv2D(8, 1)(L.ReLU(6.0)(L.BatchNormalization()(y))))
        x = L.Add()([x, y]) if strides == 1 else y
    return k.Model(inputs, L.Dense(6, "softmax")(L.GlobalAveragePooling2D()(x)))


@published
def mobilenet_v3(k: Any) -> Any:
    """Hard swish by arithmetic on tensors, 2020."""
    L = k.layers

    def hard_sigmoid(x: Any) -> Any:
        return L.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)

    inputs = k.Input((16, 16, 3))
    x = L.Conv2D(8, 3, strides=2, padding="same")(inputs)
    x = L.Multiply()([x, hard_sigmoid(x)])
    s = hard_sigmoid(L.Conv2D(8, 1)(L.ReLU()(L.Conv2D(4, 1)(L.GlobalAveragePooling2D(keepdims=True)(x)))))
    x = L.Multiply()([L.DepthwiseConv2D(5, padding="same")(x), s])
    return k.Model(inputs, L.Flatten()(L.Conv2D(5, 1)(L.GlobalAveragePooling2D(keepdims=True)(x))))


@published
def shufflenet(k: Any) -> Any:
    """Channel shuffle by Reshape and Permute, 2018."""
    L = k.layers
    inputs = k.Input((8, 8, 12))
    x = L.Conv2D(12, 1, groups=3)(inputs)
    x = L.Permute((1, 2, 4, 3))(L.Reshape((8, 8, 3, 4))(x))
    x = L.DepthwiseConv2D(3, padding="same", strides=2)(L.Reshape((8, 8, 12))(x))
    x = L.Concatenate()([L.AveragePooling2D(3, 2, padding="same")(inputs), L.Conv2D(12, 1, groups=3)(x)])
    return k.Model(inputs, L.GlobalAveragePooling2D()(L.Activation("relu")(x)))


@published
def xception(k: Any) -> Any:
    """Separable convolutions, Keras's example of cats and dogs, 2020."""
    L = k.layers
    inputs = k.Input((20, 20, 3))
    x = L.Rescaling(1.0 / 255)(inputs)
    x = before = conv_bn(k, x, 8, strides=2)
    for size in (12, 16):
        x = L.BatchNormalization()(L.SeparableConv2D(size, 3, padding="same")(L.Activation("relu")(x)))
        x = L.MaxPooling2D(3, strides=2, padding="same")(x)
        x = before = L.add([x, L.Conv2D(size, 1, strides=2, padding="same")(before)])
    return k.Model(inputs, L.Dense(1, activation=None)(L.Dropout(0.25)(L.GlobalAveragePooling2D()(x))))


@published
def efficientnet(k: Any) -> Any:
    """Augmentation and MBConv blocks with swish, 2020."""
    L = k.layers
    inputs = k.Input((18, 18, 3))
    augmented = k.Sequential([L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomContrast(0.1)])(inputs)
    x = conv_bn(k, L.Rescaling(1 / 127.5, offset=-1)(augmented), 8, activation="swish", strides=2)
    y = L.Activation("swish")(L.BatchNormalization()(L.DepthwiseConv2D(5, padding="same", use_bias=False)(x)))
    s = L.Reshape((1, 1, 8))(L.GlobalAveragePooling2D()(y))
    s = L.Conv2D(8, 1, activation="sigmoid")(L.Conv2D(2, 1, activation="swish")(s))
    y = L.BatchNormalization()(L.Conv2D(8, 1, use_bias=False)(L.multiply([y, s])))
    x = L.add([L.Dropout(0.2, noise_shape=(None, 1, 1, 1))(y), x])
    return k.Model(inputs, L.Dense(4, "softmax")(L.GlobalAveragePooling2D()(x)))


@published
def convnext(k: Any) -> Any:
    """Depthwise 7 x 7, LayerNormalization and gelu, 2022."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    x = L.LayerNormalization(epsilon=1e-6)(L.Conv2D(8, 4, strides=4)(inputs))
    y = L.LayerNormalization(epsilon=1e-6)(L.DepthwiseConv2D(7, padding="same")(x))
    x = x + L.Dense(8)(L.Activation("gelu")(L.Dense(32)(y)))
    return k.Model(inputs, L.Dense(3)(L.LayerNormalization(epsilon=1e-6)(L.GlobalAveragePooling2D()(x))))


@published
def u_net(k: Any) -> Any:
    """Segmentation with transposed convolutions, Kaggle 2017."""
    L = k.layers
    x = inputs = k.Input((16, 16, 1))
    kept = []
    for filters in (4, 8):
        x = L.Conv2D(filters, 3, activation="elu", padding="same", kernel_initializer="he_normal")(x)
        x = L.Dropout(0.1)(x)
        kept.append(x)
        x = L.MaxPooling2D((2, 2))(x)
    x = L.Conv2D(16, 3, activation="elu", padding="same")(x)
    for filters, other in zip((8, 4), reversed(kept), strict=True):
        x = L.concatenate([L.Conv2DTranspose(filters, (2, 2), strides=(2, 2), padding="same")(x), other])
        x = L.Conv2D(filters, 3, activation="elu", padding="same")(x)
    return k.Model(inputs=[inputs], outputs=[L.Conv2D(1, (1, 1), activation="sigmoid")(x)])


@published
def u_net_of_any_size(k: Any) -> Any:
    """Segmentation with UpSampling2D of images of any size, 2018."""
    L = k.layers
    inputs = k.Input((None, None, 2))
    a = conv_bn(k, inputs, 6)
    b = conv_bn(k, L.MaxPooling2D()(a), 8)
    x = L.UpSampling2D(size=(2, 2))(b)
    x = L.concatenate([x, a], axis=3)
    return k.Model(inputs, L.Conv2D(3, 1, activation="softmax")(conv_bn(k, x, 6)))


@published
def oxford_pets(k: Any) -> Any:
    """Segmentation like Xception with residuals projected by convolutions, Keras's example 2020."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    x = before = conv_bn(k, inputs, 8, strides=2)
    x = L.BatchNormalization()(L.SeparableConv2D(12, 3, padding="same")(L.Activation("relu")(x)))
    x = L.add([L.MaxPooling2D(3, 2, "same")(x), L.Conv2D(12, 1, strides=2, padding="same")(before)])
    for filters in (12, 8):
        y = L.BatchNormalization()(L.Conv2DTranspose(filters, 3, padding="same")(L.Activation("relu")(x)))
        x = L.add([L.UpSampling2D(2)(y), L.Conv2D(filters, 1, padding="same")(L.UpSampling2D(2)(x))])
    return k.Model(inputs, L.Conv2D(3, 3, activation="softmax", padding="same")(x))


@published
def linknet(k: Any) -> Any:
    """Segmentation with sums in place of concatenations, 2018."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    a = conv_bn(k, inputs, 8, strides=2)
    b = conv_bn(k, a, 12, strides=2)
    x = conv_bn(k, b, 4, 1)
    x = L.ReLU()(L.BatchNormalization()(L.Conv2DTranspose(4, 4, strides=2, padding="same", use_bias=False)(x)))
    x = L.Add()([conv_bn(k, x, 8, 1), a])
    return k.Model(inputs, L.Conv2DTranspose(2, 3, strides=2, padding="same", activation="sigmoid")(x))


@published
def deeplab(k: Any) -> Any:
    """Dilated convolutions and bilinear upsampling, Keras's example 2021."""
    L = k.layers
    inputs = k.Input((16, 16, 4))
    x = conv_bn(k, inputs, 8, strides=2)
    pooled = conv_bn(k, L.AveragePooling2D(pool_size=(8, 8))(x), 4, 1)
    parts = [L.UpSampling2D(size=(8, 8), interpolation="bilinear")(pooled)]
    parts += [conv_bn(k, x, 4, 3, dilation_rate=rate) for rate in (1, 2, 4)]
    x = conv_bn(k, L.Concatenate(axis=-1)(parts), 6, 1)
    x = L.UpSampling2D(size=(2, 2), interpolation="bilinear")(x)
    return k.Model(inputs, L.Conv2D(3, kernel_size=(1, 1), padding="same")(x))


@published
def fcn_and_segnet(k: Any) -> Any:
    """Scores of several resolutions upsampled, cropped and added, 2017."""
    L = k.layers
    inputs = k.Input((20, 20, 3))
    a = L.MaxPooling2D(2)(L.Conv2D(6, 3, activation="relu", padding="same")(L.ZeroPadding2D(4)(inputs)))
    b = L.MaxPooling2D(2)(L.Conv2D(8, 3, activation="relu", padding="same")(a))
    x = L.Conv2DTranspose(4, 4, strides=2, use_bias=False)(L.Conv2D(4, 1)(b))
    x = L.add([L.Cropping2D(1)(x), L.Conv2D(4, 1)(a)])
    x = L.Cropping2D(((5, 5), (5, 5)))(L.Conv2DTranspose(4, 4, strides=2)(x))
    return k.Model(inputs, L.Softmax()(L.Reshape((-1, 4))(x)))


@published
def yolo(k: Any) -> Any:
    """Darknet's blocks with LeakyReLU, a route by strides, and two heads, 2018."""
    L = k.layers

    def dark(x: Any, filters: int, size: int = 3) -> Any:
        x = L.Conv2D(filters, size, padding="same", use_bias=False)(x)
        return L.LeakyReLU(0.1)(L.BatchNormalization()(x))

    inputs = k.Input((24, 24, 3))
    a = dark(L.MaxPooling2D(2)(dark(inputs, 6)), 8)
    b = dark(L.MaxPooling2D(2)(a), 12)
    y1 = L.Reshape((6, 6, 3, 7))(L.Conv2D(21, 1)(b))
    x = L.Concatenate()([L.UpSampling2D(2)(dark(b, 4, 1)), a])
    return k.Model(inputs, [y1, L.Reshape((12, 12, 3, 7))(L.Conv2D(21, 1)(x))])


@published
def ssd(k: Any) -> Any:
    """Boxes and classes of all resolutions in one list, 2018."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    a = L.Conv2D(8, 3, strides=2, activation="relu", padding="same")(inputs)
    b = L.Conv2D(8, 3, strides=2, activation="relu", padding="same")(a)
    boxes = [L.Reshape((-1, 4))(L.Conv2D(8, 3, padding="same")(x)) for x in (a, b)]
    classes = [L.Reshape((-1, 5))(L.Conv2D(10, 3, padding="same")(x)) for x in (a, b)]
    scores = L.Activation("softmax")(L.Concatenate(axis=1)(classes))
    return k.Model(inputs, L.Concatenate(axis=2)([scores, L.Concatenate(axis=1)(boxes)]))


@published
def retinanet(k: Any) -> Any:
    """A feature pyramid and a head that all levels share, 2020."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    c3 = conv_bn(k, inputs, 8, strides=2)
    c4 = conv_bn(k, c3, 12, strides=2)
    p4 = L.Conv2D(6, 1)(c4)
    p3 = L.Conv2D(6, 3, padding="same")(L.Conv2D(6, 1)(c3) + L.UpSampling2D(2)(p4))
    head = k.Sequential([k.Input((None, None, 6))])
    for layer in (L.Conv2D(6, 3, padding="same"), L.ReLU(), L.Conv2D(9, 3, padding="same")):
        head.add(layer)
    return k.Model(inputs, L.Concatenate(axis=1)([L.Reshape((-1, 9))(head(p)) for p in (p3, p4)]))


@published
def siamese(k: Any) -> Any:
    """Two images through one network, compared by their distance, Keras's example 2017."""
    L, f = k.layers, functions(k)
    base = k.Sequential([k.Input((8, 8, 1)), L.Conv2D(4, 3, activation="tanh"), L.Flatten(), L.Dense(6)], name="base")
    a, b = k.Input((8, 8, 1), name="left"), k.Input((8, 8, 1), name="right")
    distance = f.sqrt(f.maximum(f.sum(f.square(base(a) - base(b)), axis=1, keepdims=True), 1e-7))
    return k.Model([a, b], L.Dense(1, activation="sigmoid")(L.BatchNormalization()(distance)))


@published
def regression_of_faces(k: Any) -> Any:
    """Key points of faces with PReLU and global pooling, Kaggle 2018."""
    L = k.layers
    inputs = k.Input((16, 16, 1))
    x = inputs
    for filters in (4, 8):
        x = L.PReLU(shared_axes=[1, 2])(L.Conv2D(filters, 3)(x))
        x = L.MaxPooling2D(3, 2, padding="same")(x)
    x = L.PReLU()(L.Dense(12)(L.Permute((3, 2, 1))(x)))
    return k.Model(inputs, L.Dense(6)(L.Flatten()(x)))


@published
def c3d(k: Any) -> Any:
    """Videos by three-dimensional convolutions, 2017."""
    L = k.layers
    return k.Sequential([
        k.Input((6, 10, 10, 2)), L.Conv3D(6, 3, activation="relu", padding="same"), L.MaxPooling3D((1, 2, 2)),
        L.Conv3D(8, 3, activation="relu", padding="same"), L.ZeroPadding3D((0, 1, 1)), L.MaxPooling3D(2, strides=2),
        L.SpatialDropout3D(0.2), L.Flatten(), L.Dense(8, activation="relu"), L.Dense(3, activation="softmax"),
    ])  # fmt: skip


@published
def u_net_3d(k: Any) -> Any:
    """Segmentation of volumes, channels last, 2018."""
    L = k.layers
    inputs = k.Input((8, 8, 4, 1))
    a = L.Conv3D(4, 3, activation="relu", padding="same")(inputs)
    b = L.BatchNormalization()(L.Conv3D(8, 3, activation="relu", padding="same")(L.MaxPooling3D(2)(a)))
    x = L.Concatenate()([L.Conv3DTranspose(4, 2, strides=2)(b), a, L.UpSampling3D(2)(b)])
    return k.Model(inputs, L.Conv3D(2, 1, activation="sigmoid")(x))


@published
def video_captions(k: Any) -> Any:
    """Frames through one CNN, then an LSTM, 2017."""
    L = k.layers
    cnn = k.Sequential([k.Input((10, 10, 3)), L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Flatten()])
    inputs = k.Input((5, 10, 10, 3))
    x = L.TimeDistributed(L.Dense(8, activation="relu"))(L.TimeDistributed(cnn)(inputs))
    return k.Model(inputs, L.Dense(4, activation="softmax")(L.LSTM(6)(x)))
