package org.evitmobile.app

import android.Manifest
import android.content.Intent
import android.content.pm.PackageManager
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.result.contract.ActivityResultContracts
import androidx.activity.viewModels
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import androidx.compose.ui.Modifier
import androidx.lifecycle.viewmodel.initializer
import androidx.lifecycle.viewmodel.viewModelFactory
import org.evitmobile.ui.ClassifierRoute
import org.evitmobile.ui.ClassifierViewModel

/** A thin shell: permission, camera, and the screen of the ui module. */
class MainActivity : ComponentActivity() {
    private val viewModel: ClassifierViewModel by viewModels {
        viewModelFactory { initializer { ClassifierViewModel({ openModelFolder(applicationContext) }) } }
    }
    private var cameraAllowed by mutableStateOf(false)
    private val askForCamera = registerForActivityResult(ActivityResultContracts.RequestPermission()) { cameraAllowed = it }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        cameraAllowed = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED
        if (!cameraAllowed) askForCamera.launch(Manifest.permission.CAMERA)
        setContent {
            ClassifierRoute(viewModel, { startActivity(Intent(this, BenchmarkActivity::class.java)) }) { modifier -> Camera(modifier) }
        }
    }

    @Composable
    private fun Camera(modifier: Modifier) {
        if (cameraAllowed) {
            CameraPreview(this, modifier) { frame -> viewModel.onFrame(frame::toUprightImage) }
        } else {
            Text("Without the camera there is nothing to classify. Allow it in the system's settings.", modifier)
        }
    }
}
