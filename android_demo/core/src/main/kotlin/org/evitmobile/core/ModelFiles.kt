package org.evitmobile.core

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.security.DigestInputStream
import java.security.MessageDigest

/** A folder that `evit-mobile` wrote, wherever it lies: assets on Android, a directory in tests. */
fun interface ModelFiles {
    /** Opens the file at a path relative to the folder. Throws [IOException] when there is none. */
    fun open(path: String): InputStream
}

/** A model folder on a file system. */
fun directory(folder: File): ModelFiles = ModelFiles { path -> File(folder, path).inputStream() }

/** All bytes of a file. Throws [Failure] when it cannot be read. */
fun ModelFiles.read(path: String): ByteArray = reading(path) { open(path).use(InputStream::readBytes) }

/** All bytes of a file whose SHA-256 must be [sha256] (lower-case hexadecimal). Throws [Failure]. */
fun ModelFiles.readVerified(path: String, sha256: String): ByteArray {
    val bytes = read(path)
    requireDigest(path, hexadecimal(sha256Digest().digest(bytes)), sha256)
    return bytes
}

/**
 * A copy of a file in [folder], checked while it is written and renamed into place whole; runtimes open paths, not streams.
 * A copy that is already there and still has the right SHA-256 is used again. Throws [Failure].
 */
fun ModelFiles.materialise(path: String, sha256: String, folder: File): File {
    val target = File(folder, "$sha256-${path.substringAfterLast('/')}")
    if (target.exists() && digestOf(target) == sha256) return target
    return reading(path) {
        folder.mkdirs()
        val partial = File.createTempFile("copy", null, folder)
        try {
            val digest = sha256Digest()
            open(path).use { source -> partial.outputStream().use { DigestInputStream(source, digest).copyTo(it) } }
            requireDigest(path, hexadecimal(digest.digest()), sha256)
            if (!partial.renameTo(target)) throw IOException("cannot rename $partial to $target")
        } finally {
            partial.delete()
        }
        target
    }
}

private fun digestOf(file: File): String = hexadecimal(sha256Digest().digest(file.readBytes()))

private fun sha256Digest() = MessageDigest.getInstance("SHA-256")

private fun hexadecimal(bytes: ByteArray) = bytes.joinToString("") { "%02x".format(it) }

private fun requireDigest(path: String, found: String, expected: String) {
    if (found != expected) {
        throw Failure(
            got = "$path with SHA-256 ${found.take(DIGEST_SHOWN)}...",
            allowed = "${expected.take(DIGEST_SHOWN)}..., as its manifest says",
            advice = "the file is damaged or of another model: export the app's model again",
        )
    }
}

private inline fun <T> reading(path: String, body: () -> T): T =
    try {
        body()
    } catch (error: IOException) {
        throw Failure(
            got = "no readable $path (${error.message})",
            allowed = "a complete folder that evit-mobile wrote",
            advice = "run evit-mobile export-app android --from DIR",
            cause = error,
        )
    }

private const val DIGEST_SHOWN = 12
