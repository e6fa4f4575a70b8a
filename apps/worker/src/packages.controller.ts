import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { INSPECT_PACKAGE, type Finding } from './contract.js';
import { PackageFolderPipe, type PackageFolder } from './package-folder.pipe.js';
import { PackageInspector } from './package-inspector.service.js';
import { tellParent } from './parent.js';

@Controller()
export class PackagesController {
  constructor(private readonly inspector: PackageInspector) {}

  @MessagePattern(INSPECT_PACKAGE)
  inspect(@Payload('path', PackageFolderPipe) target: PackageFolder): Promise<Finding> {
    // Not over the queue: so the parent can count what was handled without relying on what it checks.
    tellParent({ inspecting: target.path });
    return this.inspector.inspect(target);
  }
}
