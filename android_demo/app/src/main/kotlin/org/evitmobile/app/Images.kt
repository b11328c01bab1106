package org.evitmobile.app

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import androidx.camera.core.ImageProxy
import org.evitmobile.core.Failure
import org.evitmobile.core.RgbImage
import org.evitmobile.core.Rotation
import org.evitmobile.core.uprightFromRgba

/** An encoded image as stored: 8 bits, not scaled to the screen, in sRGB, alpha not multiplied in. Throws [Failure]. */
fun decodeImage(encoded: ByteArray): RgbImage {
    val options = BitmapFactory.Options().apply {
        inPreferredConfig = Bitmap.Config.ARGB_8888
        inPreferredColorSpace = ColorSpace.get(ColorSpace.Named.SRGB)
        inPremultiplied = false
        inScaled = false
    }
    val bitmap = BitmapFactory.decodeByteArray(encoded, 0, encoded.size, options)
        ?: throw Failure("an image that Android cannot decode", "PNG or JPEG", "export the model again")
    val argb = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(argb, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    return RgbImage(bitmap.height, bitmap.width, argb)
}

/** A camera frame in RGBA_8888, which CameraX has already turned from YUV to sRGB, as an upright image. */
fun ImageProxy.toUprightImage(): RgbImage {
    val plane = planes.first()
    return uprightFromRgba(plane.buffer, height, width, plane.rowStride, Rotation.of(imageInfo.rotationDegrees))
}
