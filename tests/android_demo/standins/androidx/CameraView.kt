@file:Suppress("UNUSED_PARAMETER")

package androidx.camera.view

import android.content.Context
import android.widget.FrameLayout
import androidx.camera.core.Preview

class PreviewView(context: Context) : FrameLayout(context) {
    enum class ScaleType { FILL_CENTER, FIT_CENTER }

    var scaleType: ScaleType = ScaleType.FILL_CENTER
    val surfaceProvider: Preview.SurfaceProvider get() = TODO()
}
