package org.evitmobile.core

import java.io.File
import java.util.HexFormat
import java.security.MessageDigest
import javax.imageio.ImageIO

/** What tests/android_demo/fixtures.py wrote, named by the system property `evitmobile.fixtures`. */
val fixtures = File(checkNotNull(System.getProperty("evitmobile.fixtures")) { "no -Devitmobile.fixtures" })

fun modelFolder(name: String) = File(fixtures, name)

/** Decodes on the JVM what BitmapFactory decodes on Android. */
fun decodePng(encoded: ByteArray): RgbImage {
    val image = ImageIO.read(encoded.inputStream())
    return RgbImage(image.height, image.width, image.getRGB(0, 0, image.width, image.height, null, 0, image.width))
}

/** A model folder in memory: [changes] replace files of [base]; null removes one. */
fun changed(base: ModelFiles, vararg changes: Pair<String, ByteArray?>): ModelFiles {
    val replaced = changes.toMap()
    return ModelFiles { path ->
        if (path in replaced) (replaced[path] ?: throw java.io.FileNotFoundException(path)).inputStream() else base.open(path)
    }
}

fun sha256Of(bytes: ByteArray): String = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes))
