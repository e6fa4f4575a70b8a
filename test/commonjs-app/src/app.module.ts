import { Module } from '@nestjs/common';
import { ElkMqModule } from 'nestjs-elkmq';
import { AppController } from './app.controller';
import { AppService } from './app.service';

@Module({
  imports: [
    ElkMqModule.register([
      { name: 'APP', queue: String(process.env['QUEUE']), url: String(process.env['REDIS_URL']) },
    ]),
  ],
  controllers: [AppController],
  providers: [AppService],
})
export class AppModule {}
