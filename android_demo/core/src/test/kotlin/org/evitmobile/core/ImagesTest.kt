package org.evitmobile.core

import java.nio.ByteBuffer
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import org.junit.jupiter.api.Test

class ImagesTest {
    /** 2 x 3 pixels, red counts them; rows are padded to 16 bytes. */
    private val plane = ByteBuffer.allocate(32).apply {
        for (row in 0..1) for (column in 0..2) put(row * 16 + column * 4, (row * 3 + column).toByte())
    }

    private fun red(image: RgbImage) = List(image.height * image.width) { image.pixels[it * CHANNELS].toInt() }

    @Test
    fun `frames are turned clockwise`() {
        val turned = Rotation.entries.associateWith { uprightFromRgba(plane, 2, 3, 16, it) }
        assertEquals(listOf(0, 1, 2, 3, 4, 5), red(turned.getValue(Rotation.NONE)))
        assertEquals(listOf(3, 0, 4, 1, 5, 2), red(turned.getValue(Rotation.QUARTER)))
        assertEquals(listOf(5, 4, 3, 2, 1, 0), red(turned.getValue(Rotation.HALF)))
        assertEquals(listOf(2, 5, 1, 4, 0, 3), red(turned.getValue(Rotation.THREE_QUARTERS)))
        assertEquals(listOf(3, 2), turned.getValue(Rotation.QUARTER).let { listOf(it.height, it.width) })
        assertFailsWith<IllegalArgumentException> { Rotation.of(45) }
    }

    @Test
    fun `colours keep their order and alpha is dropped`() {
        val image = RgbImage(1, 1, intArrayOf(0x11223344))
        assertContentEquals(byteArrayOf(0x22, 0x33, 0x44), image.pixels)
        val frame = uprightFromRgba(ByteBuffer.wrap(byteArrayOf(1, 2, 3, 4)), 1, 1, 4, Rotation.NONE)
        assertContentEquals(byteArrayOf(1, 2, 3), frame.pixels)
    }
}
