"""Segmentation, poses, counting and detection by decoders of several scales."""

from __future__ import annotations

from typing import Any

from published import functions, published


def conv(k: Any, x: Any, filters: int, size: int = 3, rate: int = 1, strides: int = 1) -> Any:
    L = k.layers
    x = L.Conv2D(filters, size, strides=strides, padding="same", dilation_rate=rate, use_bias=False)(x)
    return L.Activation("relu")(L.BatchNormalization()(x))


@published
def attention_u_net(k: Any) -> Any:
    """Gates on the shortcuts of a U-Net, medical images 2018."""
    L = k.layers
    inputs = k.Input((16, 16, 1))
    a = conv(k, inputs, 4)
    b = conv(k, L.MaxPooling2D()(a), 6)
    x = conv(k, L.MaxPooling2D()(b), 8)
    for shortcut, filters in ((b, 6), (a, 4)):
        x = L.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        gate = L.Activation("relu")(L.add([L.Conv2D(3, 1)(x), L.Conv2D(3, 1)(shortcut)]))
        gate = L.Conv2D(1, 1, activation="sigmoid")(gate)
        x = conv(k, L.concatenate([L.multiply([shortcut, gate]), x]), filters)
    return k.Model(inputs, L.Conv2D(1, 1, activation="sigmoid")(x))


@published
def u_net_plus_plus(k: Any) -> Any:
    """Nested shortcuts and an output of each depth, 2019."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    column = [inputs]
    grid: dict[tuple[int, int], Any] = {}
    for depth in range(3):
        grid[depth, 0] = conv(k, column[-1], 4 + depth)
        column.append(L.MaxPooling2D()(grid[depth, 0]))
        for step in range(1, depth + 1):
            row = depth - step
            up = L.UpSampling2D(interpolation="bilinear")(grid[row + 1, step - 1])
            grid[row, step] = conv(k, L.concatenate([*(grid[row, s] for s in range(step)), up]), 4 + row)
    return k.Model(inputs, [L.Conv2D(2, 1, activation="softmax", name=f"out{s}")(grid[0, s]) for s in (1, 2)])


@published
def pyramid_scene_parsing(k: Any) -> Any:
    """PSPNet: averages over regions of four sizes, 2018."""
    L = k.layers
    inputs = k.Input((24, 24, 3))
    x = conv(k, conv(k, inputs, 6, strides=2), 8, rate=2)
    parts = [x]
    for size in (12, 6, 4, 2):
        y = L.AveragePooling2D(size, strides=size, padding="same")(x)
        parts.append(L.UpSampling2D(size, interpolation="bilinear")(conv(k, y, 2, size=1)))
    x = L.Dropout(0.1)(conv(k, L.concatenate(parts), 8))
    return k.Model(inputs, L.Activation("softmax")(L.UpSampling2D(2, interpolation="bilinear")(L.Conv2D(5, 1)(x))))


@published
def e_net(k: Any) -> Any:
    """Bottlenecks with PReLU, dilated and asymmetric convolutions, 2017."""
    L = k.layers

    def bottleneck(x: Any, filters: int, down: bool = False, rate: int = 1, asymmetric: bool = False) -> Any:
        y = L.Conv2D(3, 2 if down else 1, strides=2 if down else 1, use_bias=False)(x)
        y = L.PReLU(shared_axes=[1, 2])(L.BatchNormalization(momentum=0.1)(y))
        if asymmetric:
            y = L.Conv2D(3, (1, 5), padding="same", use_bias=False)(y)
            y = L.Conv2D(3, (5, 1), padding="same")(y)
        else:
            y = L.Conv2D(3, 3, padding="same", dilation_rate=rate)(y)
        y = L.PReLU(shared_axes=[1, 2])(L.BatchNormalization(momentum=0.1)(y))
        y = L.SpatialDropout2D(0.1)(L.BatchNormalization(momentum=0.1)(L.Conv2D(filters, 1, use_bias=False)(y)))
        if down:
            x = L.Permute((1, 3, 2))(L.MaxPooling2D()(x))
            x = L.Permute((1, 3, 2))(L.ZeroPadding2D(((0, 0), (0, filters - int(x.shape[2]))))(x))
        return L.PReLU(shared_axes=[1, 2])(L.add([x, y]))

    inputs = k.Input((16, 16, 3))
    x = L.concatenate([L.Conv2D(5, 3, strides=2, padding="same")(inputs), L.MaxPooling2D()(inputs)])
    x = bottleneck(x, 10, down=True)
    x = bottleneck(bottleneck(x, 10, rate=2), 10, asymmetric=True)
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    return k.Model(inputs, L.Conv2DTranspose(3, 2, strides=2, padding="same", activation="softmax")(x))


@published
def residual_u_net(k: Any) -> Any:
    """Activations before the convolutions, and sums, roads in satellite images 2018."""
    L = k.layers

    def block(x: Any, filters: int, strides: int) -> Any:
        y = L.Conv2D(filters, 3, strides=strides, padding="same")(L.Activation("relu")(L.BatchNormalization()(x)))
        y = L.Conv2D(filters, 3, padding="same")(L.Activation("relu")(L.BatchNormalization()(y)))
        return L.Add()([L.BatchNormalization()(L.Conv2D(filters, 1, strides=strides, padding="same")(x)), y])

    inputs = k.Input((16, 16, 3))
    a = block(inputs, 4, 1)
    b = block(a, 6, 2)
    x = block(b, 8, 2)
    for shortcut, filters in ((b, 6), (a, 4)):
        x = block(L.Concatenate(axis=-1)([L.UpSampling2D(size=(2, 2))(x), shortcut]), filters, 1)
    return k.Model(inputs, L.Conv2D(1, 1, padding="same", activation="sigmoid")(x))


@published
def v_net(k: Any) -> Any:
    """Volumes with PReLU and sums, 2017."""
    L = k.layers
    inputs = k.Input((8, 8, 8, 1))
    a = L.PReLU()(L.add([L.Conv3D(4, 5, padding="same")(inputs), L.concatenate([inputs] * 4)]))
    b = L.PReLU()(L.Conv3D(6, 2, strides=2)(a))
    b = L.PReLU()(L.add([L.Conv3D(6, 5, padding="same")(b), b]))
    x = L.concatenate([L.PReLU()(L.Conv3DTranspose(4, 2, strides=2)(b)), a])
    return k.Model(inputs, L.Conv3D(1, 1, activation="sigmoid")(L.SpatialDropout3D(0.2)(x)))


@published
def edges_by_side_outputs(k: Any) -> Any:
    """HED: an output of each stage of a VGG, enlarged and fused, 2018."""
    L = k.layers
    x = inputs = k.Input((16, 16, 3))
    sides = []
    for factor, filters in ((1, 4), (2, 6), (4, 8)):
        x = L.Conv2D(filters, 3, padding="same", activation="relu")(x)
        side = L.Conv2D(1, 1, padding="same")(x)
        if factor > 1:
            side = L.Conv2DTranspose(1, 2 * factor, strides=factor, padding="same", use_bias=False)(side)
        sides.append(side)
        x = L.MaxPooling2D(2, strides=2, padding="same")(x)
    fused = L.Conv2D(1, 1, use_bias=False)(L.Concatenate(axis=-1)(sides))
    return k.Model(inputs, [L.Activation("sigmoid", name=f"o{i}")(side) for i, side in enumerate([*sides, fused])])


@published
def stacked_hourglass(k: Any) -> Any:
    """Poses: two hourglasses with supervision between, 2018."""
    L = k.layers

    def bottleneck(x: Any, filters: int) -> Any:
        skip = x if x.shape[-1] == filters else L.SeparableConv2D(filters, 1, activation="relu", padding="same")(x)
        y = L.SeparableConv2D(filters // 2, 1, activation="relu", padding="same")(x)
        y = L.BatchNormalization()(L.SeparableConv2D(filters, 3, activation="relu", padding="same")(y))
        return L.Add()([skip, y])

    x = inputs = k.Input((16, 16, 3))
    x = bottleneck(L.BatchNormalization()(L.Conv2D(6, 7, strides=2, padding="same", activation="relu")(x)), 8)
    outputs = []
    for number in range(2):
        a = bottleneck(x, 8)
        b = bottleneck(L.MaxPooling2D(2, strides=2)(a), 8)
        y = L.Add()([L.UpSampling2D()(bottleneck(b, 8)), bottleneck(a, 8)])
        heat = L.Conv2D(5, 1, padding="same", name=f"heat{number}")(y)
        outputs.append(heat)
        x = L.Add()([L.Conv2D(8, 1, padding="same")(y), L.Conv2D(8, 1, padding="same")(heat), x])
    return k.Model(inputs, outputs)


@published
def crowd_counting(k: Any) -> Any:
    """CSRNet: dilated convolutions on images of any size, and the sum of the density, 2019."""
    L, f = k.layers, functions(k)
    inputs = k.Input((None, None, 3))
    x = L.MaxPooling2D()(L.Conv2D(4, 3, padding="same", activation="relu")(inputs))
    for _ in range(2):
        x = L.Conv2D(6, 3, padding="same", dilation_rate=2, activation="relu")(x)
    density = L.Conv2D(1, 1, activation="relu")(x)
    return k.Model(inputs, [density, f.sum(density, axis=(1, 2, 3))])


@published
def center_net(k: Any) -> Any:
    """Objects as points: heat map, its peaks by a pool, sizes and offsets, 2020."""
    L, f = k.layers, functions(k)
    inputs = k.Input((16, 16, 3))
    x = conv(k, conv(k, inputs, 6, strides=2), 8, strides=2)
    x = L.ReLU()(L.BatchNormalization()(L.Conv2DTranspose(6, 4, strides=2, padding="same", use_bias=False)(x)))
    heat = L.Conv2D(3, 1, activation="sigmoid", bias_initializer="zeros")(conv(k, x, 6))
    peaks = f.where(heat >= L.MaxPooling2D(3, strides=1, padding="same")(heat), heat, 0.0)
    sizes, offsets = (L.Conv2D(2, 1)(conv(k, x, 6)) for _ in range(2))
    return k.Model(inputs, [peaks, sizes, offsets])


@published
def efficient_det(k: Any) -> Any:
    """BiFPN: features of three scales in both directions, separable, with shared heads, 2021."""
    L, f = k.layers, functions(k)

    def fuse(*tensors: Any) -> Any:
        x = L.Add()(list(tensors))
        return L.BatchNormalization(momentum=0.99, epsilon=1e-3)(
            L.SeparableConv2D(6, 3, padding="same")(x * f.sigmoid(x))
        )

    x = inputs = k.Input((32, 32, 3))
    levels = []
    for filters in (4, 6, 8):
        x = L.Activation("swish")(L.BatchNormalization()(L.Conv2D(filters, 3, 2, "same", use_bias=False)(x)))
        levels.append(L.Conv2D(6, 1, padding="same")(x))
    p3, p4, p5 = levels
    top4 = fuse(p4, L.UpSampling2D()(p5))
    out3 = fuse(p3, L.UpSampling2D()(top4))
    out4 = fuse(p4, top4, L.MaxPooling2D(3, strides=2, padding="same")(out3))
    out5 = fuse(p5, L.MaxPooling2D(3, strides=2, padding="same")(out4))
    shared = L.SeparableConv2D(6, 3, padding="same")
    classes, boxes = L.SeparableConv2D(9, 3, padding="same"), L.SeparableConv2D(12, 3, padding="same")
    heads = [shared(level) for level in (out3, out4, out5)]
    scores = L.concatenate([L.Reshape((-1, 3))(classes(head)) for head in heads], axis=1)
    return k.Model(inputs, [L.Activation("sigmoid")(scores),
                            L.concatenate([L.Reshape((-1, 4))(boxes(head)) for head in heads], axis=1)])  # fmt: skip
